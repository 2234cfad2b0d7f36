"""What other frameworks have and minigrad does not, and why: a table of all not offered."""

from __future__ import annotations

import fnmatch
import functools

__all__ = ["ABSENT", "absent"]

ABSENT: dict[str, str] = {
    "arrays are dense": (
        "*sparse* coalesce is_coalesced col_indices row_indices ccol_indices crow_indices "
        "*_indices_copy indices values values_copy "
        "indices_copy smm dsmm spmm hspmm saddmm hsmm sspaddmm to_dense to_mkldnn "
        "to_padded_tensor is_mkldnn is_nested dense_dim"
    ),
    "numbers are not quantised": (
        "quantize* dequantize fake_quantize* q_* qscheme int_repr is_quantized quantized_* "
        "choose_qparams* fbgemm_* *quantized* QInt* QUInt* fused_moving_avg_obs_fake_quant "
        "scaled_mm scaled_grouped_mm grouped_mm scaled_matmul scaled_dot_general "
        "get_scaled_dot_general_config ScalingType SwizzleType"
    ),
    "there is one device, the CPU, and one process": (
        "is_cpu is_cuda is_ipu is_maia is_meta is_mps is_mtia is_vulkan* is_xla is_xpu ipu mtia "
        "is_distributed is_shared share_memory* is_pinned *device* devices default_backend "
        "*process* host_count host_id host_ids transfer_guard* *shard* NamedSharding reshard "
        "make_mesh set_mesh P smap Stream* *stream record_stream Event copy_to_host_async "
        "block_until_ready effects_barrier *_resource_env fork wait Future AcceleratorError "
        "OutOfMemoryError remove_size_one_mesh_axis_from_type make_array_from_* auto_pcast Device "
        "Shard to_dlpack DataParallel SyncBatchNorm"
    ),
    "computation is in the dtype of the arrays; OMP_NUM_THREADS sets the threads of BLAS": (
        "*autocast* GradScaler bfloat16 chalf *num_threads *num_interop_threads "
        "*_matmul_precision default_matmul_precision set_flush_denormal allow_f16_reductions "
        "enable_x64 BFloat16* numpy_dtype_promotion numpy_rank_promotion"
    ),
    "what is computed is the same in every run; mg.seed(0) is for what is drawn": (
        "*deterministic* get_rng_state set_rng_state initial_seed Generator seed_all "
        "default_prng_impl legacy_prng_key enable_custom_prng threefry_partitionable "
        "thread_safe_generator debug_key_reuse"
    ),
    "complex numbers have no gradient here": (
        "is_conj is_neg resolve_conj resolve_neg conj_physical* polar cdouble view_as_*_copy "
        "Complex*"
    ),
    "how an array lies in memory is NumPy's matter: t.data has it": (
        "is_contiguous layout storage_offset storage_type const_data_ptr dim_order is_set_to "
        "as_strided* *_strided empty_permuted memory_format *Storage StorageBase is_storage "
        "from_file slice_inverse free_ref empty_ref new_ref freeze Ref live_arrays clear_caches"
    ),
    "NumPy computes no such factors: mg.linalg has solve, inv, cholesky, qr, eigh and svd": (
        "lu lu_factor* lu_solve lu_unpack ldl_* geqrf orgqr ormqr householder_product lobpcg "
        "cholesky_ex inv_ex solve_ex common_notes"
    ),
    "nobody has asked for it yet; it can be composed of what there is": (
        "ctc_loss fractional_max_pool* adaptive_max_pool?d_with_indices rrelu* index_reduce* "
        "scatter_reduce* segment_reduce nonzero_static unique_consecutive embedding_renorm_ "
        "conv_tbc sparse_plus norm_except_dim linear_cross_entropy embedding_bag "
        "multi_head_attention_forward sparse_sigmoid betainc huber exprel i0e i1 i1e zeta "
        "factorial comb gammainc* hash_tensor AdaptiveLogSoftmaxWithLoss CTCLoss CrossMapLRN2d "
        "RReLU Lazy* Container RNNBase RNNCellBase Transformer TransformerDecoder* Uninitialized* "
        "FractionalMaxPool* LinearCrossEntropy* EmbeddingBag matrix_exp GRUCell "
        "LSTMCell RNNCell mode erfcx exp1 expi expn igamma* gammasgn dawsn fresnel hyp?f1 owens_t "
        "poch sici spence sph_harm_y wofz boxcox* airy_ai *bessel_* *_polynomial_*"
    ),
    "Python runs the program: mg.compile traces it, mg.tape prints it": (
        "*Script* *jit* JITException parse_* import_ir_module* CompilationUnit while_loop "
        "make_jaxpr jaxpr* eval_shape disable_jit no_tracing no_execution pure_callback "
        "closure_convert ensure_compile_time_eval explain_cache_misses log_compiles "
        "linear_transpose fwd_and_bwd jax2tf* check_tracer_leaks checking_leaks export "
        "TracingState"
    ),
    "it is about the inside of another framework": (
        "*Type AliasDb Any* Argument* *Config *Stats BufferDict ByteStorage Callable Capsule Code "
        "ConcreteModule* DType DeepCopyMemoTable *SerializationContext *StorageContext DictType "
        "Disable* DispatchKey* ErrorReport ExcludeDispatchKeyGuard ExecutionPlan FatalError "
        "FileCheck FunctionSchema Graph GraphExecutorState IODescriptor LockingLogger LoggerBase "
        "Node NoopLogger OperatorInfo Optional PyTorchFile* ScalingType Size StaticModule Sym* "
        "Tag ThroughputBenchmark Use Value batch_norm_* native_* cudnn_* miopen_* mkldnn_* rnn_* "
        "*_cell classproperty compiled_with* get_file_path get_device_module has_torch* "
        "handle_torch* boolean_dispatch assert_int_or_pair is_*_enabled is_inference "
        "init_num_threads merge_type* prepare_multiprocessing_environment profiler_* "
        "set_anomaly_enabled set_warn_always sym_* typename unify_type_list affine_grid_generator "
        "convolution as_subclass grad_dtype module_load output_nr volatile reinforce Array "
        "array_garbage_collection_guard ShapeDtypeStruct make_user_context print_environment_info "
        "softmax_custom_jvp thread_guard typeof jax_* enable_checks *ModuleDict ParameterDict ds "
        "named_call BoolTensor ByteTensor CallStack CharTensor Complete* DoubleTensor FloatTensor "
        "HalfTensor LongTensor ShortTensor IntTensor alias_copy slice_copy execute_op mem_guard_* "
        "turn_memory_guarding_*"
    ),
}
"""Why -> the names, as patterns of :mod:`fnmatch`, that are therefore not offered."""


@functools.cache
def _patterns() -> list[tuple[str, str]]:
    return [(pattern, why) for why, names in ABSENT.items() for pattern in names.split()]


def absent(name: str) -> str:
    """Why there is nothing by a name that another framework has; "" if that is not known.

    >>> absent("sparse_coo_tensor")
    'arrays are dense'
    >>> absent("sum")
    ''
    """
    return next((why for pattern, why in _patterns() if fnmatch.fnmatchcase(name, pattern)), "")

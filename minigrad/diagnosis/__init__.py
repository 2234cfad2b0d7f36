"""Diagnosis: what is wrong with a network and its training, in sentences."""

from minigrad.diagnosis.examine import diagnose
from minigrad.diagnosis.report import Finding, Layer, Report

__all__ = ["Finding", "Layer", "Report", "diagnose"]

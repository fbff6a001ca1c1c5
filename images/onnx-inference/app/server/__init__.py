"""Serves ONNX models over HTTP by the Open Inference Protocol v2 (kserve/open-inference-protocol, REST)."""

NAME = "temper-onnx-inference"
VERSION = "1.0.0"

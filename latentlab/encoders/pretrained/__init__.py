"""Encoders that come with their weights: ONNX and Keras files, the photo extra, the hub.

card            what is known of such an encoder, and the class that all of them share
opening         from the text that a user gives to an encoder
preprocessing   pixels as the network takes them
onnx_files      ONNX files, by ONNX Runtime
keras_models    Keras files and Keras Applications
photos          EfficientNet-Lite0 of the extra latentlab[photos]
hub             files of a model hub
"""

import os

# ONNX Runtime would keep an identifier in the home folder, and warn where it cannot.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

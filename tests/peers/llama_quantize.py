# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's own quantizer; runs under a Python that has llama-cpp-python.

    llama_quantize.py SOURCE.gguf TARGET.gguf Q4_K
"""
import sys

import llama_cpp

# The numbers that the library gives its mixtures of types.
KINDS = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K": 12, "Q4_K": 15, "Q5_K": 17,
         "Q6_K": 18, "IQ4_NL": 25, "IQ4_XS": 30, "BF16": 32}
parameters = llama_cpp.llama_model_quantize_default_params()
parameters.ftype = KINDS[sys.argv[3]]
sys.exit(llama_cpp.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), parameters))

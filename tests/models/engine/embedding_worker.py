"""llama.cpp serving embeddings: `python -m tests.models.engine.embedding_worker MODEL_FILE`.

The app itself serves none; this is to test its client against a real server. Prints the address, and ends with its
standard input. In a process of its own, because llama.cpp ends the whole process on bad parameters.
"""

import os
import sys

import xllamacpp

MODEL = "smollm2-embeddings"

if __name__ == "__main__":
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.model_alias = {MODEL}
    params.n_ctx, params.n_parallel, params.kv_unified = 1024, 2, False
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.ui, params.offline = False, True
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)

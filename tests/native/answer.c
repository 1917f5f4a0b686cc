/* Loads a SavedModel through TensorFlow's C API, runs it once, and writes what it answers: no Python anywhere.

   answer FOLDER (feed OPERATION TYPE DIMENSIONS FILE)... (fetch OPERATION INDEX FILE)...

   TYPE is a number of TF_DataType, DIMENSIONS are separated by commas ("" for a scalar); files hold plain values in
   the machine's byte order. Built and called by tests/test_export_readers.py. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/c/c_api.h>

#define MOST 32

static void fail(const char *what, const char *why) {
  fprintf(stderr, "answer: %s: %s\n", what, why);
  exit(1);
}

static TF_Output output_of(TF_Graph *graph, const char *operation, int index) {
  TF_Output output = {TF_GraphOperationByName(graph, operation), index};
  if (!output.oper) fail(operation, "no such operation");
  return output;
}

static TF_Tensor *read_tensor(TF_DataType type, char *dimensions, const char *path) {
  int64_t shape[8];
  int rank = 0;
  size_t bytes = TF_DataTypeSize(type);
  for (char *size = strtok(dimensions, ","); size; size = strtok(NULL, ",")) {
    shape[rank] = atoll(size);
    bytes *= shape[rank++];
  }
  TF_Tensor *tensor = TF_AllocateTensor(type, shape, rank, bytes);
  FILE *file = fopen(path, "rb");
  if (!file || fread(TF_TensorData(tensor), 1, bytes, file) != bytes) fail(path, "cannot be read, or too short");
  fclose(file);
  return tensor;
}

int main(int argc, char **argv) {
  if (argc < 2) fail("usage", "answer FOLDER (feed OPERATION TYPE DIMENSIONS FILE)... (fetch OPERATION INDEX FILE)...");
  const char *tags[] = {"serve"};
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  if (TF_GetCode(status) != TF_OK) fail(argv[1], TF_Message(status));

  TF_Output feeds[MOST], fetches[MOST];
  TF_Tensor *given[MOST], *answers[MOST];
  char *files[MOST];
  int n_feeds = 0, n_fetches = 0;
  for (int i = 2; i < argc && n_feeds < MOST && n_fetches < MOST;) {
    if (!strcmp(argv[i], "feed") && i + 4 < argc) {
      feeds[n_feeds] = output_of(graph, argv[i + 1], 0);
      given[n_feeds++] = read_tensor((TF_DataType)atoi(argv[i + 2]), argv[i + 3], argv[i + 4]);
      i += 5;
    } else if (!strcmp(argv[i], "fetch") && i + 3 < argc) {
      fetches[n_fetches] = output_of(graph, argv[i + 1], atoi(argv[i + 2]));
      files[n_fetches++] = argv[i + 3];
      i += 4;
    } else {
      fail(argv[i], "expected feed or fetch and what belongs to it");
    }
  }
  TF_SessionRun(session, NULL, feeds, given, n_feeds, fetches, answers, n_fetches, NULL, 0, NULL, status);
  if (TF_GetCode(status) != TF_OK) fail("run", TF_Message(status));
  for (int i = 0; i < n_fetches; i++) {
    FILE *file = fopen(files[i], "wb");
    size_t bytes = TF_TensorByteSize(answers[i]);
    if (!file || fwrite(TF_TensorData(answers[i]), 1, bytes, file) != bytes || fclose(file)) fail(files[i], "not written");
  }
  return 0;
}

// Package optunarpc serves a store to Optuna's workers over gRPC: Python's
// optuna.storages.GrpcStorageProxy works against it as against Optuna's own server, and
// shares studies with workers in Go.
//
//	server := grpc.NewServer()
//	service := optunarpc.New(store)
//	service.Register(server)
//	defer service.Close()
//	err := server.Serve(listener)
//
// and in Python
//
//	storage = optuna.storages.GrpcStorageProxy(host="localhost", port=13000)
//	study = optuna.load_study(study_name="net", storage=storage)
//
// The protocol knows neither users nor encryption, and has no signs of life: a trial whose
// worker dies stays running. Serve it where everyone may write, or behind what checks.
//
// # How it differs from Optuna's server
//
//   - The trials that changed are read from the store, not all trials.
//   - A waiting trial goes to one worker, whatever the store. Optuna's server on SQLite may
//     give it to two.
//   - A trial that an older client asks for while others wait gets the first that waits.
//   - Ids of studies follow from their names, and ids of trials from those and their numbers.
//     They stay what they are when the server is started again.
//   - What is refused has a sentence that says why.
package optunarpc

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
// The protocol has neither users nor encryption nor heartbeats: if a worker dies, its trial stays running. Serve it
// on a network where everyone may write, or behind a proxy that checks clients.
//
// # How it differs from Optuna's server
//
//   - Only changed trials are read from the store, not all trials.
//   - On every store, a waiting trial goes to one worker. Optuna's server on SQLite may give it to two.
//   - An older client that asks for a new trial while trials are waiting gets
//     the first of them.
//   - Ids of studies follow from their names, and ids of trials from the study's id and the trial's number. They stay
//     the same when the server restarts.
//   - Errors have a message that explains the refusal.
package optunarpc

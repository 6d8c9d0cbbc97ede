// Package katib answers the suggestion service of Kubeflow Katib, so that attune's samplers
// choose the parameters of Katib's experiments.
//
//	server := grpc.NewServer()
//	katib.New().Register(server)
//	err := server.Serve(listener) // on port 6789
//
// attune katib is that program, with the health service that Katib's probes ask.
//
// The service keeps nothing that it could not do without: a request has all trials of its
// experiment, and the study is built from them each time. So a pod that is started again goes
// on where the last one was, and a request that is sent twice gets one answer. The number of
// a trial travels in the label attune/trial. CMA-ES also keeps the state of its search in
// memory; after a restart it begins a new search around the best trials.
//
// # Algorithms
//
//	tpe, multivariate-tpe          package tpe
//	bayesianoptimization, gp       package gp
//	cmaes                          package cmaes
//	nsga2                          package nsga2
//	sobol                          package qmc
//	grid                           package grid: each configuration once
//	random                         package random
//
// with the settings
//
//	random_state                   the seed; by default it comes from the experiment's name
//	n_startup_trials               tpe: random trials to begin with
//	n_ei_candidates                tpe: points to choose among
//	n_initial_points               gp: random trials to begin with
//	sigma                          cmaes: the first standard deviation, as a share of the ranges
//	restart_strategy               cmaes: ipop or bipop
//
// # Parameters
//
// A double or an int is uniform, log-uniform, normal or log-normal between min and max, with
// a step if there is one. Both normal ones have their mean in the middle, and six standard
// deviations between min and max. Discrete values have the order of their numbers.
//
// Trials that run count as pending. Those that were killed say nothing; those that failed, or
// whose metric is not a number, are avoided; those that stopped early count as pruned.
package katib

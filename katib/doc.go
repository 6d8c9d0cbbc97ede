// Package katib implements the suggestion service of Kubeflow Katib, so that attune's samplers
// choose the parameters of Katib's experiments.
//
//	server := grpc.NewServer()
//	katib.New().Register(server)
//	err := server.Serve(listener) // on port 6789
//
// The command attune katib is that program, with the health service for Katib's probes.
//
// The service needs no state: a request has all trials of its experiment, and the service
// rebuilds the study from them each time. So a restarted pod continues where the last one was,
// and a repeated request gets the same answer. The number of a trial is stored in the label
// attune/trial. CMA-ES also keeps the state of its search in memory, and auto remembers which
// sampler proposed a trial. After a restart, CMA-ES begins a new search around the best
// trials.
//
// # Algorithms
//
//	auto                           package auto, which chooses among the others
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
//	n_startup_trials               tpe: number of random trials at the beginning
//	n_ei_candidates                tpe: number of candidate points
//	n_initial_points               gp: number of random trials at the beginning
//	sigma                          cmaes: initial standard deviation, as a share of the ranges
//	restart_strategy               cmaes: ipop or bipop
//
// # Parameters
//
// A double or an int is uniform, log-uniform, normal or log-normal between min and max, with an
// optional step. The normal distributions have their mean in the middle, and min and max are six
// standard deviations apart. Discrete values are in numerical order.
//
// Running trials count as pending, and early-stopped trials as pruned. Killed trials are
// ignored. Failed trials, and trials whose metric is not a number, are avoided.
package katib

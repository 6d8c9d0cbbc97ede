package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/internal/web"
	"github.com/attune-hpo/attune/katib"
)

func katibCommand() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "katib",
		Short: "Choose the parameters of Kubeflow Katib's experiments",
		Long: `Katib is a suggestion service for Kubeflow Katib. It keeps no data, since each request has all
trials of its experiment, and it listens on every address of its pod. See examples/kubernetes
for the entry in Katib's configuration and an experiment.

Algorithms: auto, tpe, multivariate-tpe, bayesianoptimization, gp, cmaes, nsga2, sobol, grid, random.`,
		Example: `  attune katib
  attune katib --listen 127.0.0.1:6789`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runKatib(cmd.Context(), cmd.ErrOrStderr(), address)
		},
	}
	cmd.Flags().StringVar(&address, "listen", ":6789", "`address` to listen on")
	return cmd
}

// podMemory is Katib's default memory limit for a suggestion service, 100 MiB, without the memory that
// the garbage collector does not count: the pages of the program's file that are in use, and the kernel's.
const podMemory = 64 << 20

func runKatib(ctx context.Context, stderr io.Writer, address string) error {
	const largest = 256 << 20 // a request has all trials of its experiment
	s, err := web.ListenGRPC(web.GRPCConfig{Addr: address, Public: true, Health: katib.Health, Largest: largest, Grace: goodbye,
		Register: katib.New().Register})
	if err != nil {
		return refusedAddress(err, "listen", address, "")
	}
	if os.Getenv("GOMEMLIMIT") == "" && debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(podMemory)
	}
	fmt.Fprintf(stderr, "attune: answering Katib on %s\n", s.Addr())
	return s.Run(ctx)
}

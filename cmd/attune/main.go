// Attune tunes forecasters from the command line: it turns a CSV file and a metric into
// tuned, validated and saved models. It also tunes any program. Try
//
//	attune optimize --data data/airpassengers.csv --target passengers
//	attune predict
//	attune run --space space.yaml -- ./train --lr {lr}
//
// and see attune help, or attune help optimize, for the rest. It exits with 0 on success,
// 1 after an error and 130 after an interruption.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// errInterrupted ends a command that was interrupted.
var errInterrupted = errors.New("interrupted")

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	signalled, stop := signal.NotifyContext(context.Background(), interrupts()...)
	defer stop()
	ctx, interrupt := context.WithCancelCause(context.Background())
	context.AfterFunc(signalled, func() {
		stop() // a second Ctrl-C ends the process at once
		interrupt(errInterrupted)
	})
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		if !errors.Is(err, errInterrupted) {
			err = errInterrupted
		}
		fmt.Fprintf(stderr, "attune: %s\n", plain(err))
		return 130
	}
	fmt.Fprintf(stderr, "attune: %s%s\n", plain(err), repair(err))
	return 1
}

// interrupts are the signals that interrupt a command.
func interrupts() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		all = append(all, syscall.SIGHUP)
	}
	return all
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "attune",
		Short: "Tune forecasting models on your data, or any program",
		Long: `Attune tunes models on your data: models that forecast series, or predict a column of a
table. It compares them with simple baselines, keeps the best model, and predicts with it.
It also tunes any program that prints a value: see attune run.

All trials are stored in a SQLite file, which Optuna and optuna-dashboard can open too.`,
		Example: `  attune optimize --data data/airpassengers.csv --target passengers
  attune predict --output forecast.csv --plot forecast.svg
  attune best --format json
  attune run --space space.yaml -- ./train --lr {lr} --layers {layers}`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return required(cmd) }
	root.SetVersionTemplate("attune {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: see %s --help", badFlag(err), cmd.CommandPath())
	})
	root.AddCommand(optimizeCommand(), refitCommand(), runCommand(), predictCommand(), studiesCommand(), bestCommand(), trialsCommand(), importanceCommand(), explainCommand(), plotCommand(), reportCommand(), dashboardCommand(),
		exportCommand(), convertCommand(), registryCommand(), mlflowCommand(), serveCommand(), serveModelCommand(), katibCommand(), setupCommand())
	return group(root)
}

// group makes a command a mere group of subcommands: without arguments it shows its help,
// and it refuses an unknown subcommand.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		for _, name := range cmd.SuggestionsFor(args[0]) {
			return fmt.Errorf("unknown command %s: did you mean %s %s?", quote(args[0]), cmd.CommandPath(), name)
		}
		return fmt.Errorf("unknown command %s: see %s --help", quote(args[0]), cmd.CommandPath())
	}
	return cmd
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

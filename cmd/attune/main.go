// Attune tunes forecasters from the command line: a CSV and a metric in, tuned,
// validated and saved models out. Try
//
//	attune optimize --data data/airpassengers.csv --target passengers
//	attune predict
//
// and see attune help, or attune help optimize, for the rest. It exits with 0 when all
// went well, 1 after an error and 130 when it was interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/storage"
)

// errInterrupted ends a command that was asked to stop.
var errInterrupted = errors.New("interrupted")

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	root := command()
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
		fmt.Fprintf(stderr, "attune: %v\n", err)
		return 130
	}
	text := plain(err.Error())
	if errors.Is(err, storage.ErrFormat) || errors.Is(err, storage.ErrPath) {
		text += ": name another file with --storage"
	}
	fmt.Fprintf(stderr, "attune: %s\n", text)
	return 1
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "attune",
		Short: "Tune forecasters on your data, and forecast with the best",
		Long: `Attune searches the hyperparameters of forecasting models for what forecasts your
series best, keeps the best models, and forecasts with them.

Studies are kept in a SQLite file that Python's Optuna and optuna-dashboard read, too.`,
		Example: `  attune optimize --data data/airpassengers.csv --target passengers
  attune predict --output forecast.csv --plot forecast.svg
  attune best --format json`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("attune {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(optimizeCommand(), predictCommand(), studiesCommand(), bestCommand(), trialsCommand(), exportCommand(), convertCommand(), setupCommand())
	return root
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// packages are the names that the library's errors begin with.
var packages = regexp.MustCompile(`(^|: )(?:(?:study|sqlite|storage|forecast|csv|tune|treestyle|treeforecast|engine|spaceyaml|tree|deploy|onnx|onnxsetup|quantize|registry|runtime|validate): )+`)

// fields are hints of the library, and what the command line says instead.
var fields = strings.NewReplacer(
	`series "": `, "",
	"list: list studies", "list studies",
	": set Fill", ": fill it with --fill carry, interpolate or keep",
	", or set Sort", ", or give --sort",
	": set Layout", ": say how it is written with --layout, as in --layout 02/01/2006",
	": state it", ": state it with --freq",
	": set AllowConstant if it is meant", "",
)

// plain returns the text of an error in the words of the command line, with flags
// where the library speaks of fields.
func plain(text string) string {
	return fields.Replace(packages.ReplaceAllString(text, "$1"))
}

// oneOf fails unless a flag's value is one of those it may have.
func oneOf(flag, value string, values []string) error {
	for _, v := range values {
		if v == value {
			return nil
		}
	}
	return fmt.Errorf("--%s %s: want one of %s", flag, value, strings.Join(values, ", "))
}

// complete completes a flag of fixed values.
func complete(cmd *cobra.Command, flag string, values ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}

// must is for what only a mistake in this program makes fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

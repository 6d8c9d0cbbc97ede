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
	signalled, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, interrupt := context.WithCancelCause(context.Background())
	context.AfterFunc(signalled, func() {
		stop() // a second Ctrl-C ends the process at once
		interrupt(errInterrupted)
	})
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
	text := plain(strings.ReplaceAll(err.Error(), "\n", "; ")) + repair(err)
	if errors.Is(err, storage.ErrFormat) || errors.Is(err, storage.ErrPath) {
		text += ": name another file with --storage"
	}
	fmt.Fprintf(stderr, "attune: %s\n", text)
	return 1
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "attune",
		Short: "Tune forecasting models on your data, and forecast with the best one",
		Long: `Attune searches for the hyperparameters with which a model forecasts your series best.
It compares the tuned models with simple baselines, keeps the best model, and forecasts
with it.

All trials are stored in a SQLite file, which Optuna and optuna-dashboard can open too.`,
		Example: `  attune optimize --data data/airpassengers.csv --target passengers
  attune predict --output forecast.csv --plot forecast.svg
  attune best --format json`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("attune {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%s: see %s --help", badFlag(err.Error()), cmd.CommandPath())
	})
	root.AddCommand(optimizeCommand(), predictCommand(), studiesCommand(), bestCommand(), trialsCommand(), exportCommand(), convertCommand(),
		registryCommand(), setupCommand())
	return group(root)
}

// group returns a command that is there for its subcommands: alone it shows its help, and
// it refuses a word that is none of them.
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

// packages are the names that the library's errors begin with.
var packages = regexp.MustCompile(`(^|: )(?:(?:study|sqlite|storage|forecast|csv|tune|style|treeforecast|engine|neural|space|spaceyaml|tree|deploy|onnx|onnxsetup|quantize|registry|runtime|validate): )+`)

// fields are hints of the library, and what the command line says instead.
var fields = strings.NewReplacer(
	`series "": `, "",
	"model: refit trial", "refit trial",
	"list: list studies", "list studies",
	": set Fill", ": fill it with --fill carry, interpolate or keep",
	", or set Sort", ", or give --sort",
	": set Layout", ": say how it is written with --layout, as in --layout 02/01/2006",
	": state it", ": state it with --freq",
	": set AllowConstant if it is meant", "",
	": take shorter lags, or fewer steps", ": take fewer lags, or lower --horizon, --windows or --test",
	": take a shorter window, or hold out less", ": take a shorter window, or lower --horizon, --windows or --test",
	", and 0 more are held out", "",
	"bad search space: ", "",
	"bad setting: ", "",
	": give one, or use package storage/memory for studies that are not kept", "",
	"there is no version before: file does not exist", "no version was live before",
	" (see Fill)", "",
	": leave them out or use another name", ": take another --name",
	": leave it out or use another name", ": take another --name",
	"take the device auto or cpu", "take --device auto or cpu",
	"or the device cpu", "or --device cpu",
)

// plain returns the text of an error in the words of the command line, with flags
// where the library speaks of fields.
func plain(text string) string {
	return fields.Replace(packages.ReplaceAllString(text, "$1"))
}

// badValue is what the flags' library says of a value that is of the wrong type.
var badValue = regexp.MustCompile(`^invalid argument "((?:[^"\\]|\\.)*)" for "(?:-\w, )?(--[\w-]+)" flag: (.*)$`)

// wanted says what a flag of the type takes whose values cannot be read.
var wanted = []struct{ sign, want string }{
	{"value out of range", "a smaller number"},
	{"strconv.ParseInt", "a whole number"},
	{"strconv.ParseUint", "a whole number from 0"},
	{"strconv.ParseFloat", "a number"},
	{"strconv.ParseBool", "true or false"},
	{"time: ", "a length of time, as in 90s, 10m or 2h"},
}

// badFlag returns what is wrong with a flag in the words of the command line.
func badFlag(text string) string {
	m := badValue.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	for _, w := range wanted {
		if strings.Contains(m[3], w.sign) {
			return fmt.Sprintf("%s %s: want %s", m[2], m[1], w.want)
		}
	}
	return fmt.Sprintf("%s %s: %s", m[2], m[1], m[3])
}

// warn writes a warning, in a line.
func warn(stderr io.Writer, err error) {
	fmt.Fprintf(stderr, "attune: warning: %s\n", plain(err.Error()))
}

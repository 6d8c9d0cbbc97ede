package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/attune-hpo/attune/fault"
)

// inFlags maps the settings in hints of the library to the command line. A flag replaces the
// field in the hint; a phrase replaces the whole hint. "" drops the hint, if the command has
// no counterpart.
var inFlags = map[string]string{
	"forecast.CSV.AllowConstant":       "",
	"forecast.CSV.Fill":                "--fill",
	"forecast.CSV.Freq":                "--freq",
	"forecast.CSV.ID":                  "--id",
	"forecast.CSV.Layout":              "--layout",
	"forecast.CSV.Sort":                "give --sort",
	"forecast.FitOptions.Holdout":      "lower --horizon, --windows or --test",
	"forecast.Recipe.Lags":             "take fewer lags",
	"importance.FANOVA.Target":         "", // the command asks for --objective itself
	"importance.Permutation.Target":    "",
	"memory.Store":                     "",
	"mlflow.Config.Client":             "", // the command makes one
	"mlflow.NewMirror":                 "send them with attune mlflow push when the server is back",
	"neural.Training.Device":           "--device",
	"neural.Training.Window":           "take a shorter window",
	"mysql.Store.URL":                  "--storage",
	"postgres.Store.URL":               "--storage",
	"onnx.ForecasterOptions.Regressor": "", // the command exports no other models
	"quantize.Options.Calibration":     "", // the command has rows of the data
	"runtime.PredictorConfig.Width":    "", // the files that the command opens state the width
	"remote.Store.Token":               "set the variable " + serveTokenVariable + " to a token of the server",
	"remote.Store.URL":                 "--storage",
	"sqlite.Store.Path":                "--storage",
	"study.Config.Directions":          "",
	"study.Config.Grace":               "--grace",
	"study.Config.Metrics":             "",
	"study.Config.Sampler":             "",
	"study.Config.Seed":                "",
	"study.Create":                     "use another --name",
	"table.CSV.Categorical":            "--categorical",
	"table.CSV.Classes":                "use --task binary or --task multiclass",
	"table.CSV.Group":                  "--group",
	"table.CSV.Ignore":                 "--ignore",
	"table.CSV.NA":                     "--na",
	"table.CSV.Positive":               "--positive",
	"table.CSV.Time":                   "--time",
	"table.Splits.Ordered":             "--time",
	"table.Table.Group":                "--group",
	"validate.Gate.Beyond":             "add --beyond 0.01",
}

// plain returns the text of an error in the words of the command line, as one line. A second
// paragraph, such as the output of a program or a stack, is left out: it is kept with the trial.
func plain(err error) string {
	text := fault.Text(err, func(h fault.Hint) string {
		words := inFlags[h.Field]
		if strings.HasPrefix(words, "--") {
			return h.Named(words)
		}
		return words
	})
	return paragraph(text)
}

// paragraph returns the first paragraph of a text as one line.
func paragraph(text string) string {
	text, _, _ = strings.Cut(text, "\n\n")
	return strings.ReplaceAll(text, "\n", "; ")
}

// stored returns the text of an error that was kept as a text, as with a trial, in the words of
// the command line. It finds a hint by the name of its field, which ends where the next part
// of the sentence begins.
func stored(text string) string {
	var b strings.Builder
	joint, rest := "", paragraph(text)
	for {
		part, next := rest, hintJoint.FindStringIndex(rest)
		if next != nil {
			part = rest[:next[0]]
		}
		for field, words := range inFlags {
			at := strings.Index(part, field)
			switch {
			case at < 0:
				continue
			case words == "":
				joint, part = "", ""
			case strings.HasPrefix(words, "--"):
				part = part[:at] + words + part[at+len(field):]
			default:
				part = words
			}
			break
		}
		b.WriteString(joint + part)
		if next == nil {
			return b.String()
		}
		joint, rest = rest[next[0]:next[1]], rest[next[1]:]
	}
}

// hintJoint matches what separates a hint from the rest of the sentence.
var hintJoint = regexp.MustCompile(`: |; |, or `)

// warn writes a one-line warning.
func warn(stderr io.Writer, err error) {
	fmt.Fprintf(stderr, "attune: warning: %s\n", plain(err))
}

// badFlag converts an error about a flag to the words of the command line.
func badFlag(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	flag, value, cause := bad.GetFlag(), quote(bad.GetValue()), bad.Unwrap()
	if want := wanted[flag.Value.Type()]; errors.Is(cause, strconv.ErrRange) {
		cause = errors.New("want a number closer to 0")
	} else if want != "" {
		cause = errors.New("want " + want)
	}
	return fmt.Errorf("--%s %s: %w", flag.Name, value, cause)
}

// wanted describes the value that a flag takes, by its type.
var wanted = map[string]string{
	"bool":         "true or false",
	"duration":     "a length of time, such as 90s, 10m or 2h",
	"float64":      "a number",
	"float64Slice": "numbers with commas between them",
	"int":          "a whole number",
	"uint64":       "a whole number from 0",
}

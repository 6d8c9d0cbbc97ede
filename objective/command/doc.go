// Package command is an objective that runs a program, written in any language, once
// for each trial.
//
//	lr, layers := space.Float("lr", 1e-5, 0.1, space.Log()), space.Int("layers", 1, 6)
//	train, err := command.New(command.Config{
//		Args:  []string{"./train", "--lr", "{lr}", "--layers", "{layers}"},
//		Space: space.Of(lr, layers),
//	})
//	if err != nil { ... }
//	err = st.Optimize(ctx, train, study.Run{Trials: 50})
//
// # What the program gets
//
// There are three ways to read the parameters:
//
//   - Arguments. {lr} becomes the value of the parameter lr, anywhere in an argument.
//     So do {trial}, the number of the trial; {seed}, its seed; {worker}, the number
//     of the worker that runs it, from 0; and {params}, the path of a JSON file. A
//     parameter of one of these names takes precedence. {{lr}} is the text {lr}, and
//     ${lr} stays as it is. No shell reads the arguments, so no value needs quotes.
//   - Environment variables: ATTUNE_PARAM_lr is the value of lr. Characters other than
//     letters, digits and _ become _. ATTUNE_TRIAL, ATTUNE_SEED, ATTUNE_WORKER and
//     ATTUNE_PARAMS have the values of {trial}, {seed}, {worker} and {params}.
//   - The JSON file: an object with a member for each parameter, {"lr": 0.01, "layers": 3}.
//
// A parameter whose conditions do not hold does not exist in a trial. It has no variable
// and no member, and an argument with its place is left out. If that argument consists
// only of places, and the argument before it begins with - and has no place, that argument
// is left out too: it is the option whose value is missing.
//
// The seed is an integer from 0 to 2^31-1, which every random generator accepts. It depends
// on the study's seed and the trial's number.
//
// Several programs at once must share the machine. See [Config.Threads] and
// [Config.GPUs].
//
// # What the program prints
//
// On its standard output, a line that begins with "attune:" is for the study:
//
//	attune: step=3 value=0.41           an intermediate value for the pruner
//	attune: step=3 value=0.41,12.5      the same, of several objectives
//	attune: value=0.39                  the value of the objective
//	attune: value=0.39,12.5             the values of several objectives, in their order
//	attune: error=0.39 seconds=12.5     the same, if the objectives have these names
//	attune: constraint.memory=-0.5      a constraint, met if it is at most 0
//	attune: attr.rounds=120             an attribute of the trial: JSON, or else text
//	attune: attr.note="two words"       text with spaces is a JSON string
//
// A line may hold several of these. The last value counts. If the program prints no value,
// the value of the last step counts. If it prints several values for a step, the first
// counts. A line that cannot be read ends the program and fails the trial, so a misspelt key
// does not go unnoticed.
//
// A program that cannot be changed is read with regular expressions; see
// [Config.Matches].
//
// Standard output must not be buffered until the end, or no trial can be pruned. For
// Python, PYTHONUNBUFFERED is set. In other languages, flush after each line.
//
// # How it ends
//
// A program that exits with a status other than 0, or prints no value, fails its trial.
//
// A program gets SIGTERM if its trial is pruned, exceeds its time limit, or is interrupted,
// and SIGKILL after [Config.Grace]. The program leads a process group, and all processes of
// the group get the signals. Output after SIGTERM does not count. Processes that a program
// leaves behind when it exits are killed.
//
// If this process is killed, its programs die with it on Linux. Their own children do not,
// unless they watch their standard output. On Windows a program is killed without warning,
// together with its children.
package command

import (
	"errors"

	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "command"

var (
	// ErrConfig reports an invalid [Config].
	ErrConfig = errors.New("invalid configuration")
	// ErrStart reports a program that cannot be started: it does not exist, or is not
	// executable. Every other trial would fail too; see [study.Run.Fatal].
	ErrStart = errors.New("the program cannot be started")
	// ErrOutput reports program output that cannot be read or lacks a value.
	ErrOutput = errors.New("bad output")
)

// Package fault makes errors whose text another program can say in its own words.
//
// The text of an error is a sentence, and a program that shows it to people who
// write no Go would change two things in it: the names of packages, and the way
// out, which names a field of a Go struct where the program has a flag or an input
// box. Both are therefore data in the tree of the error, and the rest of the text
// is plain English:
//
//	const pkg fault.Package = "forecast"
//
//	fill := fault.Hint{Field: "forecast.CSV.Fill", Want: "set %s to carry or keep"}
//	err := pkg.Errorf("read %s: line 8: a missing value: %w", file, fill)
//
//	err.Error() // forecast: read air.csv: line 8: a missing value: set forecast.CSV.Fill to carry or keep
//	fault.Text(err, func(h fault.Hint) string { return h.Named("--fill") })
//	            // read air.csv: line 8: a missing value: set --fill to carry or keep
//
// [Error] and [Hint] are found with errors.As, as any error is, and [Hints] lists
// all hints of a tree.
//
// # Writing errors
//
// A sentinel is bare: errors.New("already finished"). Inside a package errors are
// made with fmt.Errorf. The exported function or method that returns an error puts
// the package's name in front, and what it was doing to what: pkg.Errorf("tell:
// trial %d: %w", n, err). Whoever passes an error on with %w keeps its data; %v
// and %s make text of it.
package fault

import (
	"fmt"
	"strings"
)

// A Package is the name that the errors of a package begin with.
type Package string

// Errorf returns an [Error] of p. Format and args are those of [fmt.Errorf]. A text
// has the name of one package, that which the program called: the names of those
// that it called in turn are left out.
func (p Package) Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{p, err, string(p) + ": " + Text(err, nil)}
}

// An Error is an error that a package returns from what it exports. Make it with
// [Package.Errorf].
type Error struct {
	Package Package
	Err     error // what went wrong, without the name of the package
	text    string
}

// Error returns the name of the package and the text of Err.
func (e *Error) Error() string { return e.text }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// A Hint is a way out that leads through a setting. It is an error itself, so that
// fmt.Errorf puts it into the text, and into the tree, where %w stands for it.
type Hint struct {
	// Field is what to change, as go doc knows it: "study.Config.Seed" is a field,
	// "study.Create" a function that takes it as an argument.
	Field string
	// Want is what to do with it, in a phrase in which %s stands for its name:
	// "set %s to 0".
	Want string
}

// Error returns the hint in the words of a Go program: Want with Field for %s.
func (h Hint) Error() string { return h.Named(h.Field) }

// Named returns the hint in the words of a program in which the setting has
// another name: Want with name for %s.
func (h Hint) Named(name string) string { return strings.Replace(h.Want, "%s", name, 1) }

// Hints returns the hints in the tree of err, in the order in which its text has
// them.
func Hints(err error) []Hint {
	if h, ok := err.(Hint); ok {
		return []Hint{h}
	}
	var all []Hint
	for _, child := range children(err) {
		all = append(all, Hints(child)...)
	}
	return all
}

// Text returns the text of err without the names of packages, and with say(h) for
// each [Hint] h. If say returns "", the text is as if the hint had not been given:
// it goes, with the colon, comma or "or" that led to it. If say is nil, hints
// stay as they are. The text of no error, nil, is "".
func Text(err error, say func(Hint) string) string {
	if err == nil {
		return ""
	}
	return text(err, func(err error) (string, error) {
		switch e := err.(type) {
		case *Error:
			return "", e.Err
		case Hint:
			if say != nil {
				return say(e), nil
			}
		}
		return err.Error(), nil
	})
}

// text returns the text of err, in which the text of each error of its tree is
// what edit says of it: that of another error or, if that is nil, a string.
//
// An error tells what its text is, and not where in it those stand that it wraps.
// They are looked for in the order in which they were wrapped. One that is not
// found was left out of the text.
func text(err error, edit func(error) (string, error)) string {
	own, instead := edit(err)
	if instead != nil {
		return text(instead, edit)
	}
	if own != err.Error() {
		return own
	}
	below := children(err)
	var done strings.Builder
	rest := own
	for i, child := range below {
		was, is := child.Error(), text(child, edit)
		at := strings.Index(rest, was)
		if i == len(below)-1 && strings.HasSuffix(rest, was) {
			at = len(rest) - len(was)
		}
		if at < 0 || was == "" {
			continue
		}
		before, after := rest[:at], rest[at+len(was):]
		if is == "" {
			before, after = closed(before, after)
		}
		done.WriteString(before + is)
		rest = after
	}
	return done.String() + rest
}

// closed returns what stood before and after something that is gone from a
// sentence, without the words that joined it to the rest.
func closed(before, after string) (string, string) {
	for _, joint := range []string{", or ", " or ", "; ", ", "} {
		if rest, ok := strings.CutPrefix(after, joint); ok {
			return before, rest
		}
	}
	for _, joint := range []string{", or ", " or ", "; ", ": ", ", "} {
		if rest, ok := strings.CutSuffix(before, joint); ok {
			return rest, after
		}
	}
	return before, after
}

// Mark returns err as an error that is target, too, in the eyes of [errors.Is]. Its
// text is that of err. It serves where that says all that target would.
func Mark(err, target error) error { return &marked{err, target} }

type marked struct {
	error
	target error
}

// Unwrap returns both.
func (m *marked) Unwrap() []error { return []error{m.error, m.target} }

// children returns the errors that err wraps.
func children(err error) []error {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if child := e.Unwrap(); child != nil {
			return []error{child}
		}
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return nil
}

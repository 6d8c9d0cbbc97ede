// Package fault makes errors that a program can present in its own words.
//
// A program for people who do not write Go wants to change two things in the text of an
// error: the names of packages, and the way out, which names a field of a Go struct where
// the program has a flag or an input box. So both are data in the error tree. The rest of
// the text is plain English:
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
// Use errors.As to find an [Error] or a [Hint]. [Hints] lists all hints of a tree.
//
// # Writing errors
//
// A sentinel has no prefix: errors.New("already finished"). Code inside a package makes
// errors with fmt.Errorf. The exported function or method that returns an error adds the
// package's name and the operation: pkg.Errorf("tell: trial %d: %w", n, err). Wrap errors
// with %w, which keeps their data; %v and %s only keep the text.
package fault

import (
	"fmt"
	"strings"
)

// A Package is a package name that begins the package's errors.
type Package string

// Errorf returns an [Error] of p. Format and args are as in [fmt.Errorf]. The text has only
// the name of the package that the program called; the names of the packages that it called
// in turn are omitted.
func (p Package) Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{p, err, string(p) + ": " + Text(err, nil)}
}

// An Error is an error returned by an exported function of a package. Make it with
// [Package.Errorf].
type Error struct {
	Package Package
	Err     error // the cause, without the name of the package
	text    string
}

// Error returns the name of the package and the text of Err.
func (e *Error) Error() string { return e.text }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// A Hint is advice to change a setting. It is itself an error, so that fmt.Errorf with %w
// puts it into the text and into the error tree.
type Hint struct {
	// Field is the setting, as go doc names it: "study.Config.Seed" is a field, and
	// "study.Create" is a function that takes the setting as an argument.
	Field string
	// Want is the advice, a phrase with %s for the name of the setting:
	// "set %s to 0".
	Want string
}

// Error returns the hint for a Go program: Want with Field for %s.
func (h Hint) Error() string { return h.Named(h.Field) }

// Named returns the hint for a program in which the setting has another name: Want with
// name for %s.
func (h Hint) Named(name string) string { return strings.Replace(h.Want, "%s", name, 1) }

// Hints returns the hints in the tree of err, in the order of its text.
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
// each [Hint] h. If say returns "", the text omits the hint, and the colon, comma or "or"
// before it. If say is nil, hints are unchanged. Text(nil) is "".
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

// text returns the text of err with the text of each error in its tree replaced by the
// result of edit: the text of another error or, if that is nil, a string.
//
// An error does not say where in its text the wrapped errors are. text searches for them in
// the order of wrapping. If one is not found, the text omits it.
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

// closed returns the text before and after something that was removed from a sentence,
// without the words that joined it to the rest.
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

// Mark returns err as an error that, for [errors.Is], is also target. Its text is that of
// err. Use it if err's text already says what target's would.
func Mark(err, target error) error { return &marked{err, target} }

type marked struct {
	error
	target error
}

// Unwrap returns both errors.
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

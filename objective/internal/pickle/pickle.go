// Package pickle reads Python pickles, protocols 0 to 5, as data. It also reads the NumPy
// arrays in them, and files that joblib wrote.
//
// A pickle is a program for a small stack machine. It names classes and functions, which
// Python imports and calls. This package calls nothing. [Decode] executes only the
// instructions that build plain values, numbers, strings, lists, dicts and arrays. It keeps
// everything else as an [Object]: the name of the class and its arguments. A name that the
// caller has not allowed ends the decoding with [ErrUnsupported], so a file is never
// partly understood.
//
// Python values become these Go values:
//
//	None, bool, int, float, complex    nil, bool, int64 or *big.Int, float64, *Object
//	str; bytes, bytearray              string; []byte. A Python 2 str is read as Latin-1
//	tuple, list, set, dict             Tuple, *List, *List, *Dict
//	numpy.ndarray, numpy.dtype         *Array, *DType
//	NumPy scalars                      bool, int64, float64, or an *Array without dimensions
//	classes and functions              Global
//	instances and calls                *Object
//
// Values may be shared, and a list may contain itself. So only descend into values that
// you expect.
package pickle

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "pickle"

// ErrUnsupported reports a file that needs something this package does not read: a class
// or function that is not allowed, a compression, or buffers or objects stored elsewhere.
// The error names it.
var ErrUnsupported = errors.New("unsupported")

// ErrUnknown is the [ErrUnsupported] of a class or function that the caller has not allowed.
var ErrUnknown = errors.New("not among the supported classes and functions")

// A refusal is an [ErrUnsupported] with its reason.
type refusal struct{ error }

func (refusal) Is(target error) bool { return target == ErrUnsupported }

func (r refusal) Unwrap() error { return r.error }

func unsupported(format string, args ...any) error { return refusal{fmt.Errorf(format, args...)} }

// A Global is the name of a class or a function. Python 2 modules get their Python 3
// names.
type Global struct{ Module, Name string }

func (g Global) String() string {
	s := g.Module + "." + g.Name
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	for _, c := range s {
		if c < ' ' || c == '\ufffd' {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}

// A Tuple is a tuple.
type Tuple []any

// A List is a list or a set.
type List struct{ Items []any }

// A Dict is a dict. Its entries keep their order.
type Dict struct {
	Keys, Values []any
	index        map[string]int // index of the string keys
}

// Get returns the value of a string key. It returns nil if the key is absent or d is nil.
func (d *Dict) Get(key string) any {
	if d == nil {
		return nil
	}
	if i, ok := d.index[key]; ok {
		return d.Values[i]
	}
	return nil
}

func (d *Dict) set(key, value any) {
	if s, ok := key.(string); ok {
		if i, ok := d.index[s]; ok {
			d.Values[i] = value
			return
		}
		if d.index == nil {
			d.index = map[string]int{}
		}
		d.index[s] = len(d.Keys)
	}
	d.Keys, d.Values = append(d.Keys, key), append(d.Values, value)
}

// An Object is the result of a call that was not executed.
type Object struct {
	Class   Global
	Args    Tuple // the arguments of the call
	State   any   // the argument of __setstate__, most often a *Dict of the attributes
	Items   []any // items that were appended
	Entries *Dict // entries that were set; nil for none
}

// Get returns an attribute. State may be a dict, or a tuple of a dict and a dict of slots.
// Get returns nil if the attribute is absent.
func (o *Object) Get(attribute string) any {
	switch s := o.State.(type) {
	case *Dict:
		return s.Get(attribute)
	case Tuple:
		for _, part := range s[:min(2, len(s))] {
			if d, ok := part.(*Dict); ok {
				if v := d.Get(attribute); v != nil {
					return v
				}
			}
		}
	}
	return nil
}

// Items returns the elements of a tuple, a list, a set or an array of objects, in C order.
func Items(v any) ([]any, bool) {
	switch v := v.(type) {
	case Tuple:
		return v, true
	case *List:
		return v.Items, true
	case *Array:
		if v.Type.Kind == 'O' {
			return v.Objects, true
		}
	}
	return nil, false
}

// Int converts v, a whole number, bool, float or array of one element, to an int.
func Int(v any) (int, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return int(v), int64(int(v)) == v
	case float64:
		return int(v), v == float64(int(v)) && v >= -1<<53 && v <= 1<<53
	case *Array:
		if v.Len() == 1 {
			if i, err := v.Ints(); err == nil {
				return int(i[0]), int64(int(i[0])) == i[0]
			}
		}
	}
	return 0, false
}

// Float converts v, a number, bool or array of one element, to a float64.
func Float(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return float64(v), true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	case float64:
		return v, true
	case *Array:
		if v.Len() == 1 {
			if f, err := v.Floats(); err == nil {
				return f[0], true
			}
		}
	}
	return 0, false
}

// Kind describes the type of a value, for errors.
func Kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case bool:
		return "a bool"
	case int64, *big.Int, float64:
		return "a number"
	case string:
		return "a str"
	case []byte:
		return "bytes"
	case Tuple:
		return "a tuple"
	case *List:
		return "a list"
	case *Dict:
		return "a dict"
	case *Array:
		return "an array of " + v.Type.String()
	case *DType:
		return "a dtype"
	case Global:
		return v.String() + " itself"
	case *Object:
		return "a " + v.Class.String()
	}
	return fmt.Sprintf("a %T", v)
}

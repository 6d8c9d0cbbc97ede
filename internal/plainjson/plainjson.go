// Package plainjson says what is wrong with a text of JSON to people who do not know the Go types
// that it is read into.
package plainjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Explain returns an error of [json.Unmarshal] or [json.Decoder] without names of Go types:
// "inputs.shape: want a list, not a text". It returns all other errors unchanged, also nil.
func Explain(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	at := ""
	if wrong.Field != "" {
		at = wrong.Field + ": "
	}
	return fmt.Errorf("%swant %s, not %s", at, wanted(wrong.Type), given(wrong.Value))
}

// wanted describes the values that a type can hold.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Pointer:
		return wanted(t.Elem())
	}
	return "another value"
}

// given describes a value that json.UnmarshalTypeError describes.
func given(value string) string {
	switch value {
	case "string":
		return "a text"
	case "bool":
		return "true or false"
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "number":
		return "a number"
	}
	return strings.TrimPrefix(value, "number ")
}

package trainer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// Column returns the name of a nameless column.
func Column(f int) string { return fmt.Sprintf("Column_%d", f) }

// Seed folds a seed into the 31 bits that libraries have for one. Seeds below 2^31
// stay what they are.
func Seed(seed uint64) uint32 {
	return uint32(seed^seed>>31^seed>>62) & (1<<31 - 1)
}

// Settings are a library's, by its own names.
type Settings map[string]string

// Set sets name to a number, or a text.
func (s Settings) Set(name string, value any) { s[name] = fmt.Sprint(value) }

// Extra lets extra settings win. canonical returns the name under which the library
// keeps what it may know by several names; reserved are canonical names that only
// fields of Params set, by name of that field.
func (s Settings) Extra(extra map[string]string, canonical func(string) (string, bool), reserved map[string]string) error {
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		field, value := fmt.Sprintf("Extra[%q]", key), extra[key]
		name, ok := canonical(key)
		switch {
		case !ok:
			return engine.BadParam(field, value, "nothing: there is no such setting")
		case reserved[name] != "":
			return engine.BadParam(field, value, "nothing: set "+reserved[name])
		case seen[name] != "":
			return engine.BadParam(field, value, fmt.Sprintf("nothing, besides %q: both mean %s", seen[name], name))
		case strings.ContainsAny(value, " \t\r\n\x00"):
			return engine.BadParam(field, fmt.Sprintf("%q", value), "a value without white space")
		}
		seen[name] = key
		s[name] = value
	}
	return nil
}

// String returns the settings as name=value, sorted, with spaces between them.
func (s Settings) String() string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(s)) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name + "=" + s[name])
	}
	return b.String()
}

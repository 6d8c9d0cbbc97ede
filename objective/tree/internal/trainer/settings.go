package trainer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// Column returns the default name of column f.
func Column(f int) string { return fmt.Sprintf("Column_%d", f) }

// Seed folds a seed into the 31 bits that libraries accept. It does not change seeds
// below 2^31.
func Seed(seed uint64) uint32 {
	return uint32(seed^seed>>31^seed>>62) & (1<<31 - 1)
}

// Settings are a library's settings under its own names.
type Settings map[string]string

// Set sets name to a value, written as text.
func (s Settings) Set(name string, value any) { s[name] = fmt.Sprint(value) }

// Extra adds the extra settings, which override the others. canonical returns the primary
// name of a setting that may have several; reserved maps primary names that only a field of
// Params may set to the name of that field.
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

// String returns the settings as name=value, sorted and separated by spaces.
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

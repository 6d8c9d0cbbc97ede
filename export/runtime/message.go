package runtime

import (
	"regexp"
	"strings"
)

// An error of the library begins with a place in its source, such as
//
//	/onnxruntime_src/onnxruntime/core/graph/model.cc:182 onnxruntime::Model::Model(onnx::ModelProto&&, ...) Unsupported model IR version
var (
	place  = regexp.MustCompile(`(?:[A-Za-z]:)?[\w.+/\\-]*\.(?:cc|h|cpp|hpp|cu):\d+ ?`)
	prefix = regexp.MustCompile(`(?i)^(?:Error creating C session(?: from file)?: |Error running network: |Platform-specific initialization failed: |Error loading ONNX shared library "[^"]*": |Non-zero status code returned while running )`)
	spaces = regexp.MustCompile(`\s+`)
)

// cleanMessage makes one line of an error's text, without places in the source, function
// names and repetitions.
func cleanMessage(s string) string {
	for {
		t := prefix.ReplaceAllString(s, "")
		if t == s {
			break
		}
		s = t
	}
	for {
		at := place.FindStringIndex(s)
		if at == nil {
			break
		}
		s = s[:at[0]] + signature(s[at[1]:])
	}
	s = strings.TrimSpace(spaces.ReplaceAllString(s, " "))
	return strings.TrimRight(s, ". ")
}

// signature removes a function signature from the beginning of s, up to the parenthesis
// that closes the parameters, if it has any.
func signature(s string) string {
	open := strings.IndexByte(s, '(')
	if open < 0 || strings.ContainsAny(s[:open], ".\n") {
		// A bare name, such as CreateModel, may be followed by the message.
		if name, rest, ok := strings.Cut(s, " "); ok && strings.IndexFunc(name, notInName) < 0 {
			return rest
		}
		return s
	}
	depth := 0
	for i := open; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				rest := strings.TrimLeft(s[i+1:], " ")
				if more, ok := strings.CutPrefix(rest, "const "); ok {
					rest = more
				}
				if strings.HasPrefix(rest, "[with") {
					if end := strings.IndexByte(rest, ']'); end >= 0 {
						rest = rest[end+1:]
					}
				}
				return rest
			}
		}
	}
	return s
}

func notInName(r rune) bool {
	return !(r == '_' || r == ':' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
}

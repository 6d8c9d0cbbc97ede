//go:build !amd64

package f32

var variants = map[string]func() func(){"plain": func() func() { return func() {} }}

//go:build !amd64

package tree

import "testing"

func eachWay(t *testing.T, test func(t *testing.T)) { test(t) }

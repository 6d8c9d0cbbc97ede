//go:build !unix

package catboost

import "os/exec"

func own(*exec.Cmd) {}

// end kills the process, which may be gone already.
func end(cmd *exec.Cmd) { cmd.Process.Kill() }

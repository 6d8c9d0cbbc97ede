//go:build unix

package catboost

import (
	"os/exec"
	"syscall"
)

// own puts the process in a process group of its own. Its children end with it, and
// signals from a terminal do not reach it.
func own(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// end kills the group. The process may be gone already.
func end(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

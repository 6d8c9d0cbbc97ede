//go:build unix

package catboost

import (
	"os/exec"
	"syscall"
)

// own puts the process in a group of its own, so that what it starts ends with it,
// and signals from a terminal pass it by.
func own(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// end kills the group. The process may be gone already.
func end(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

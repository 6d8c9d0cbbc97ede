//go:build unix

package command

import (
	"os/exec"
	"syscall"
)

// endGroup asks the process group of a program to end.
func endGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }

// killGroup kills the process group of a program. It may be empty already.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

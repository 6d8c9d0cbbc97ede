//go:build unix

package command

import (
	"errors"
	"os/exec"
	"syscall"
)

// endGroup asks the process group of a program to end.
func endGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }

// killGroup kills the process group of a program. It may be empty already.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// notExecutable reports whether a file is neither a program nor a script with an interpreter.
func notExecutable(err error) bool { return errors.Is(err, syscall.ENOEXEC) }

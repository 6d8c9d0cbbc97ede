//go:build unix && !linux

package command

import (
	"os/exec"
	"syscall"
)

// lead makes a program the leader of a process group.
func lead(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

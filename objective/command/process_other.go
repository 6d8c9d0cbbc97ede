//go:build !unix && !windows

package command

import "os/exec"

func lead(*exec.Cmd) {}

func endGroup(cmd *exec.Cmd) { killGroup(cmd) }

// killGroup kills a program; its children cannot be found.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

//go:build !unix && !windows

package command

import "os/exec"

func lead(*exec.Cmd) {}

func endGroup(cmd *exec.Cmd) { killGroup(cmd) }

// killGroup kills a program. It cannot find the program's children.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

// notExecutable reports whether a file is known to be no program.
func notExecutable(error) bool { return false }

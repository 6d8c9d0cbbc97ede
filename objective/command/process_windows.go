package command

import (
	"os/exec"
	"strconv"
	"syscall"
)

// lead protects a program from the console's Ctrl-C.
func lead(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// endGroup kills a program and its children, because Windows cannot ask a program to end.
func endGroup(cmd *exec.Cmd) { killGroup(cmd) }

// killGroup kills a program and its children.
func killGroup(cmd *exec.Cmd) {
	_ = exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(cmd.Process.Pid)).Run()
	_ = cmd.Process.Kill()
}

// notExecutable reports whether a file is known to be no program.
func notExecutable(error) bool { return false }

package command

import (
	"os/exec"
	"strconv"
	"syscall"
)

// lead keeps the console's Ctrl-C from a program.
func lead(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// endGroup kills a program and its children, as there is no way to ask any program to end.
func endGroup(cmd *exec.Cmd) { killGroup(cmd) }

// killGroup kills a program and its children.
func killGroup(cmd *exec.Cmd) {
	_ = exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(cmd.Process.Pid)).Run()
	_ = cmd.Process.Kill()
}

package command

import (
	"os/exec"
	"syscall"
	"unsafe"
)

// lead makes a program the leader of a process group, and has it die with this process.
func lead(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// exited waits until a program has exited, and reports whether it was reaped. It was not:
// until then no other process gets its id, nor that of its group.
func exited(cmd *exec.Cmd) (reaped bool) {
	const byID = 1
	var info [128]byte // a siginfo_t, which nobody reads
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, byID, uintptr(cmd.Process.Pid),
			uintptr(unsafe.Pointer(&info[0])), syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if errno != syscall.EINTR {
			return false
		}
	}
}

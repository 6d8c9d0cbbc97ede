package command

import (
	"os/exec"
	"syscall"
	"unsafe"
)

// lead makes a program the leader of a process group, and makes it die with this process.
func lead(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// exited waits until a program has exited, and reports whether it was reaped. On Linux it is
// not reaped: no other process can get its id or the id of its group before that.
func exited(cmd *exec.Cmd) (reaped bool) {
	const byID = 1
	var info [128]byte // a siginfo_t, not used
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, byID, uintptr(cmd.Process.Pid),
			uintptr(unsafe.Pointer(&info[0])), syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if errno != syscall.EINTR {
			return false
		}
	}
}

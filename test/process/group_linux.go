package process

import "syscall"

// ownGroup puts the child into a process group of its own, and has it end with the test process.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

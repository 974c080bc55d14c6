//go:build unix

package process

import "syscall"

// signal sends to the whole process group; one that is gone already is no error.
func (c *Child) signal(s syscall.Signal) { _ = syscall.Kill(-c.cmd.Process.Pid, s) }

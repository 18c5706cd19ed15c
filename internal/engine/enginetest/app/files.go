package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// report says what went wrong, and returns the exit code.
func report(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func read(file string) int {
	text, err := os.ReadFile(file)
	fmt.Print(string(text))
	return report(err)
}

func link(file string) int {
	target, err := os.Readlink(file)
	fmt.Println(target)
	return report(err)
}

// burn uses so much of a processor's time.
func burn(d time.Duration) {
	var used syscall.Rusage
	for time.Duration(used.Utime.Nano()) < d {
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // never fails
	}
}

// orphan leaves a child's child behind that ends soon, and exits with 0 when
// that was reaped. Its stages are "", "parent" and "child".
func orphan(stage string) int {
	switch stage {
	case "parent":
		child := exec.Command(os.Args[0], "orphan", "child")
		if err := child.Start(); err != nil {
			return report(err)
		}
		fmt.Println(child.Process.Pid)
		return 0
	case "child":
		time.Sleep(200 * time.Millisecond)
		return 0
	}
	out, err := exec.Command(os.Args[0], "orphan", "parent").Output()
	if err != nil {
		return report(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return report(err)
	}
	for range 50 {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err != nil {
			return 0
		}
		time.Sleep(100 * time.Millisecond)
	}
	return report(fmt.Errorf("process %d is never reaped", pid))
}

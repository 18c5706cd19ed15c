package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"unsafe"
)

// echo prints what it reads.
func echo() int {
	if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stderr, "end")
	return 3
}

// flood writes n numbered lines as fast as it can.
func flood(n int) int {
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	for i := range n {
		fmt.Fprintf(out, "line %d of a container that writes as fast as it can\n", i)
	}
	return report(out.Flush())
}

// window prints the size of its terminal until that is 50 × 132.
func window() int {
	changed := make(chan os.Signal, 10)
	signal.Notify(changed, syscall.SIGWINCH)
	for {
		var size struct{ rows, columns, _, _ uint16 }
		_, _, err := syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
		if err != 0 {
			fmt.Println("no terminal:", err)
			return 1
		}
		fmt.Println(size.rows, size.columns)
		if size.rows == 50 && size.columns == 132 {
			return 0
		}
		<-changed
	}
}

// Command app is what the containers of the engine tests run. Its first
// argument says what it does; enginetest.Images documents them.
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const address = "127.0.0.1:8080"

func main() {
	command, argument := "run", ""
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	if len(os.Args) > 2 {
		argument = os.Args[2]
	}
	os.Exit(run(command, argument))
}

// plain are the commands without an argument that are functions of their own.
var plain = map[string]func() int{"dial": dial, "echo": echo, "env": env, "serve": serve, "window": window}

// run does what command says and returns the exit code.
func run(command, argument string) int {
	if program, ok := plain[command]; ok {
		return program()
	}
	n, _ := strconv.Atoi(argument) // 0 where no number is wanted
	switch command {
	case "exit":
		return n
	case "run":
		return untilTerm(143)
	case "trap":
		return untilTerm(0)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "lines":
		lines(n)
	case "long":
		fmt.Println(strings.Repeat("x", n))
		fmt.Print("tail")
	case "eat":
		eat(n)
	case "write":
		return report(os.WriteFile(argument, []byte("hello\n"), 0o644))
	case "fill":
		size, _ := strconv.Atoi(os.Args[3]) // the tests give a number
		return report(os.WriteFile(argument, bytes.Repeat([]byte("x"), size<<20), 0o644))
	case "read":
		return read(argument)
	case "link":
		return link(argument)
	case "say":
		fmt.Println(argument)
		code, _ := strconv.Atoi(os.Args[3]) // the tests give a number
		return code
	case "variable":
		return variable(argument)
	case "burn":
		burn(time.Duration(n) * time.Millisecond)
		return untilTerm(143)
	case "who":
		fmt.Printf("%d:%d\n", os.Getuid(), os.Getgid())
	case "effective":
		fmt.Printf("%d:%d\n", os.Geteuid(), os.Getegid())
	case "flood":
		return flood(n)
	case "fork":
		return fork(n)
	case "orphan":
		return orphan(argument)
	default:
		fmt.Fprintln(os.Stderr, "unknown command", command)
		return 2
	}
	return 0
}

func untilTerm(code int) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	fmt.Println("ready")
	<-term
	return code
}

// lines writes n numbered lines, every other one to standard error.
func lines(n int) {
	for i := range n {
		out := os.Stdout
		if i%2 == 1 {
			out = os.Stderr
		}
		fmt.Fprintf(out, "line %d\n", i)
	}
}

// eat takes n MiB of memory.
func eat(n int) {
	var kept [][]byte
	for range n {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
	}
	fmt.Println("ate", len(kept))
}

// env prints what the container was given.
func env() int {
	host, err := os.Hostname()
	if err != nil {
		return 1
	}
	dir, err := os.Getwd()
	if err != nil {
		return 1
	}
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		return 1
	}
	resolv, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return 1
	}
	fmt.Println(host, os.Getenv("GREETING"), dir, os.Getuid(), strings.Contains(string(hosts), "10.9.8.7\tdb.internal"),
		strings.Contains(string(resolv), "nameserver 10.9.8.1"))
	return 0
}

// variable prints how long a variable is, and its end.
func variable(name string) int {
	value := os.Getenv(name)
	fmt.Println(len(value), value[max(0, len(value)-4):])
	return 0
}

func serve() int {
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	for {
		c, err := l.Accept()
		if err != nil {
			return 1
		}
		_ = c.Close()
	}
}

func dial() int {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = c.Close()
	return 0
}

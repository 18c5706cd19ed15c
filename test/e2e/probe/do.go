package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// do takes steps, one an argument, and prints what each finds: "cat FILE",
// "put FILE TEXT", "who", "where", "fd" (what standard input and output are),
// "status KEY" (of /proc/self/status), "limit" (of open files), "ps", "sleep N"
// (seconds), "say TEXT", "await FILE", "become UID:GID", "fork N" (has as many
// processes beside it as it can, N at most), "exit N", "hold" (until SIGTERM).
func do(steps []string) {
	for _, step := range steps {
		verb, rest, _ := strings.Cut(step, " ")
		out, err := act(verb, rest)
		if err != nil {
			out = err.Error()
		}
		if verb != "sleep" && verb != "await" {
			fmt.Printf("%s: %s\n", step, out)
		}
	}
}

func act(verb, rest string) (string, error) {
	first, second, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(rest)
	switch verb {
	case "cat":
		b, err := os.ReadFile(rest)
		return strings.TrimSpace(string(b)), err
	case "put":
		return "done", os.WriteFile(first, []byte(second), 0o644)
	case "who":
		return fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()), nil
	case "where":
		return os.Getwd()
	case "fd":
		in, _ := os.Readlink("/proc/self/fd/0")
		out, _ := os.Readlink("/proc/self/fd/1")
		return filepath.Dir(in) + " " + filepath.Dir(out), nil
	case "status":
		return status(rest)
	case "limit":
		var l syscall.Rlimit
		err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
		return fmt.Sprintf("%d %d", l.Cur, l.Max), err
	case "ps":
		return ps()
	case "sleep":
		time.Sleep(time.Duration(n) * time.Second)
	case "say":
		return rest, nil
	case "await":
		for _, err := os.Stat(rest); err != nil; _, err = os.Stat(rest) {
			time.Sleep(50 * time.Millisecond)
		}
	case "become":
		return "done", become(rest)
	case "fork":
		return fork(n)
	case "exit":
		os.Exit(n)
	case "hold":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		return "over", nil
	}
	return "", nil
}

// status returns a line of /proc/self/status.
func status(key string) (string, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return "", err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), key+":"); ok {
			return strings.TrimSpace(v), nil
		}
	}
	return "", fmt.Errorf("no %s", key)
}

// ps lists the processes that can be seen, by number and name.
func ps() (string, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	var all []string
	for _, d := range dirs {
		name, _ := os.ReadFile(d + "/comm")
		all = append(all, filepath.Base(d)+"="+strings.TrimSpace(string(name)))
	}
	return strings.Join(all, " "), err
}

// Command app is what the end-to-end tests run in tasks. Its environment says
// how it behaves:
//
//	SITE, VERSION   what it answers
//	PORT            where it listens (8080)
//	LINES, EVERY    it logs so many numbered lines, one each EVERY (10ms), then goes on
//	RATE, WIDTH     they have so many bytes each (512) and come as fast as so many bytes a second
//	LONG            before them it logs one line of so many bytes
//	EXIT            it ends with this code once its lines are out, instead of serving
//	DEAF            it ignores SIGTERM
//	EAT             it takes so many MiB of memory before it serves
//	FILL            it writes to that file without end, once it can be made, and goes on when the disk is full
//	LINGER          how long it waits after SIGTERM before it stops serving
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("listening on :"+env("PORT", "8080"), "site="+env("SITE", "none"))
	go func() {
		<-ctx.Done()
		fmt.Println("SIGTERM")
	}()
	eat()
	if file := os.Getenv("FILL"); file != "" {
		go fill(file)
	}
	if code := os.Getenv("EXIT"); code != "" {
		count()
		n, _ := strconv.Atoi(code)
		os.Exit(n)
	}
	go count()
	serve(ctx)
}

func serve(ctx context.Context) {
	srv := &http.Server{Addr: ":" + env("PORT", "8080"), Handler: routes()}
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	if os.Getenv("DEAF") != "" {
		fmt.Println(<-failed)
		os.Exit(1)
	}
	select {
	case err := <-failed:
		fmt.Println(err)
		os.Exit(1)
	case <-ctx.Done():
	}
	linger, _ := time.ParseDuration(env("LINGER", "0s"))
	time.Sleep(linger)
	finish, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = srv.Shutdown(finish) // it ends anyway
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.FormValue("name"))) })
	mux.HandleFunc("/metadata", func(w http.ResponseWriter, _ *http.Request) {
		about, err := http.Get(os.Getenv("ECS_CONTAINER_METADATA_URI_V4") + "/task")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer about.Body.Close()
		w.WriteHeader(about.StatusCode)
		_, _ = io.Copy(w, about.Body)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		wait, _ := time.ParseDuration(r.FormValue("wait"))
		time.Sleep(wait)
		fmt.Fprintf(w, "site=%s version=%s\n", env("SITE", "none"), env("VERSION", "1"))
	})
	return mux
}

func count() {
	if long, _ := strconv.Atoi(env("LONG", "0")); long > 0 {
		fmt.Println(strings.Repeat("x", long))
	}
	n, _ := strconv.Atoi(env("LINES", "0"))
	if rate, _ := strconv.Atoi(env("RATE", "0")); rate > 0 {
		pour(n, rate)
		return
	}
	every, _ := time.ParseDuration(env("EVERY", "10ms"))
	for i := range n {
		fmt.Printf("line %d\n", i)
		time.Sleep(every)
	}
}

// pour logs n lines at a rate in bytes per second.
func pour(n, rate int) {
	width, _ := strconv.Atoi(env("WIDTH", "512"))
	out, start := bufio.NewWriterSize(os.Stdout, 64<<10), time.Now()
	for i := range n {
		line := fmt.Sprintf("line %d ", i)
		fmt.Fprintln(out, line+strings.Repeat("x", max(0, width-len(line)-1)))
		if early := time.Until(start.Add(time.Duration(i*width) * time.Second / time.Duration(rate))); early > 5*time.Millisecond {
			_ = out.Flush() // where it can't, nothing is told
			time.Sleep(early)
		}
	}
	_ = out.Flush()
}

func eat() {
	n, _ := strconv.Atoi(env("EAT", "0"))
	var eaten [][]byte
	for range n {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		eaten = append(eaten, b)
	}
	if n > 0 {
		fmt.Println("ate", len(eaten), "MiB")
	}
}

func fill(file string) {
	f, err := os.Create(file)
	for ; err != nil; f, err = os.Create(file) {
		time.Sleep(50 * time.Millisecond)
	}
	chunk := make([]byte, 1<<20)
	for told := false; ; {
		_, err := f.Write(chunk)
		switch {
		case err == nil:
			time.Sleep(5 * time.Millisecond)
			continue
		case !told:
			told = true
			fmt.Println(err)
		}
		time.Sleep(100 * time.Microsecond) // it takes what becomes free at once
	}
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

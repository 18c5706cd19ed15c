// Command probe is the application that the end-to-end tests deploy. As a web
// server it tells what it sees of the network, and misbehaves when asked to;
// its other commands end as they are told to.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(log.Lmicroseconds)
	args := append(os.Args[1:], "serve", "")
	switch args[0] {
	case "exit":
		code, _ := strconv.Atoi(args[1])
		log.Printf("exiting with %d", code)
		os.Exit(code)
	case "eat":
		eat()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		if _, err := net.Listen("tcp", ":8080"); err != nil { // it says that it ignores SIGTERM by now
			log.Fatal(err)
		}
		time.Sleep(time.Hour)
	case "say":
		say(args[1])
	case "check":
		if _, err := os.Stat(args[1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "do":
		do(os.Args[2:])
	case "sink":
		sink(args[1])
	default:
		serve()
	}
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// eat takes memory until there is none.
func eat() {
	var all [][]byte
	for {
		b := make([]byte, 8<<20)
		for i := range b {
			b[i] = 1
		}
		all = append(all, b)
		time.Sleep(time.Duration(len(all)) * time.Microsecond)
	}
}

// sink takes connections on a port and never reads: the kernel acknowledges what comes late.
func sink(port string) {
	ln, err := net.Listen("tcp", ":"+port)
	if err != nil {
		log.Fatal(err)
	}
	var open []net.Conn // so that none is closed
	for {
		c, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		open = append(open, c)
		log.Printf("connection %d", len(open))
	}
}

// drip sends a byte to an address every 100 ms for a while.
func drip(_ http.ResponseWriter, r *http.Request) {
	c, err := net.Dial("tcp", r.URL.Query().Get("to"))
	if err != nil {
		log.Print(err)
		return
	}
	go func() {
		defer c.Close()
		for range 600 {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
}

// say writes n lines, and then waits to be stopped.
func say(n string) {
	count, _ := strconv.Atoi(n)
	for i := range count {
		fmt.Printf("line %d\n", i+1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}

func serve() {
	go echoTCP()
	go echoUDP()
	var underWay atomic.Int64
	srv := &http.Server{Addr: env("HOST", "") + ":" + env("PORT", "8080"), Handler: counted(&underWay, routes())}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		<-stop
		log.Printf("SIGTERM with %d requests under way", underWay.Load())
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
		close(done)
	}()
	log.Printf("listening on %s version=%s", srv.Addr, env("VERSION", "1"))
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-done
}

func counted(n *atomic.Int64, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		defer n.Add(-1)
		h.ServeHTTP(w, r)
	})
}

func routes() http.Handler {
	var sick atomic.Bool
	host, _ := os.Hostname()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "site=%s version=%s host=%s path=%s\n", env("SITE", "none"), env("VERSION", "1"), host, r.URL.RequestURI())
	})
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		code, _ := strconv.Atoi(env("HEALTH", "200"))
		if sick.Load() {
			code = http.StatusInternalServerError
		}
		w.Header().Set("Location", "/")
		w.WriteHeader(code)
	})
	mux.HandleFunc("/sick", func(w http.ResponseWriter, _ *http.Request) { sick.Store(true); fmt.Fprintln(w, host) })
	mux.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) { os.Exit(number(r, "code", 3)) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("begin") != "" { // the head comes at once
			_ = http.NewResponseController(w).Flush()
		}
		time.Sleep(time.Duration(number(r, "ms", 2000)) * time.Millisecond)
		fmt.Fprintln(w, "slow", host)
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) {
		dir, _ := os.Getwd()
		fmt.Fprintf(w, "args=%q dir=%s uid=%d gid=%d\n", os.Args, dir, os.Getuid(), os.Getgid())
		for _, e := range os.Environ() {
			fmt.Fprintln(w, e)
		}
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Host: %s\nRemote: %s\n", r.Host, r.RemoteAddr)
		_ = r.Header.Write(w)
	})
	mux.HandleFunc("/cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/echo", echoBody)
	mux.HandleFunc("/upgrade", upgrade)
	mux.HandleFunc("/dial", dial)
	mux.HandleFunc("/keep", keep)
	mux.HandleFunc("/ping", ping)
	mux.HandleFunc("/knock", knock)
	mux.HandleFunc("/fetch", fetch)
	mux.HandleFunc("/drip", drip)
	only := os.Getenv("ONLY_HOST")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if only != "" && r.Host != only {
			http.Error(w, "no such host here", http.StatusBadRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func number(r *http.Request, name string, otherwise int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
		return n
	}
	return otherwise
}

// echoBody answers with each piece of the body as it comes.
func echoBody(w http.ResponseWriter, r *http.Request) {
	ctl := http.NewResponseController(w)
	_ = ctl.EnableFullDuplex()
	w.WriteHeader(http.StatusOK)
	_ = ctl.Flush()
	b := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(b)
		_, _ = w.Write(b[:n])
		_ = ctl.Flush()
		if err != nil {
			return
		}
	}
}

// upgrade leaves HTTP and sends back what it gets.
func upgrade(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		http.Error(w, "no Upgrade header", http.StatusBadRequest)
		return
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
	_, _ = io.Copy(c, rw)
}

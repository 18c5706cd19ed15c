package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// Where every probe sends back what it gets.
const (
	tcpEcho = ":9001"
	udpEcho = ":9002"
)

func echoTCP() {
	ln, err := net.Listen("tcp", tcpEcho)
	if err != nil {
		log.Print(err)
		return
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}

func echoUDP() {
	c, err := net.ListenPacket("udp4", udpEcho)
	if err != nil {
		log.Print(err)
		return
	}
	b := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(b[:n], from)
	}
}

// wait is how long an attempt may take, from the request's ms.
func wait(r *http.Request) time.Duration {
	return time.Duration(number(r, "ms", 1000)) * time.Millisecond
}

// dial says whether ?to=host:port can be reached over ?over=tcp or udp.
func dial(w http.ResponseWriter, r *http.Request) {
	over := r.URL.Query().Get("over")
	if over == "" {
		over = "tcp"
	}
	c, err := net.DialTimeout(over, r.URL.Query().Get("to"), wait(r))
	if err == nil && over == "udp" {
		_ = c.SetDeadline(time.Now().Add(wait(r)))
		if _, err = c.Write([]byte("x")); err == nil {
			_, err = c.Read(make([]byte, 1))
		}
	}
	tell(w, err)
}

func tell(w http.ResponseWriter, err error) {
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		http.Error(w, "timeout", http.StatusGatewayTimeout)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprintln(w, "connected")
}

// keep holds a connection to ?to=host:port, says "open" when it stands, and
// ends when no echo came for ?ms=.
func keep(w http.ResponseWriter, r *http.Request) {
	c, err := net.DialTimeout("tcp", r.URL.Query().Get("to"), wait(r))
	if err != nil {
		tell(w, err)
		return
	}
	defer c.Close()
	ctl := http.NewResponseController(w)
	fmt.Fprintln(w, "open")
	_ = ctl.Flush()
	last, b := time.Now(), make([]byte, 1)
	for r.Context().Err() == nil {
		_ = c.SetDeadline(time.Now().Add(wait(r)))
		if _, err = c.Write(b); err == nil {
			_, err = c.Read(b)
		}
		if err != nil {
			fmt.Fprintf(w, "cut %d %v\n", last.UnixMicro(), err)
			return
		}
		last = time.Now()
		time.Sleep(5 * time.Millisecond)
	}
}

// fetch makes a request as the query says: ?method=, ?url= (in which variables
// of the environment are put in), and ?body=.
func fetch(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	out, err := http.NewRequestWithContext(r.Context(), q.Get("method"), os.ExpandEnv(q.Get("url")), strings.NewReader(q.Get("body")))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	client := http.Client{Timeout: wait(r)}
	res, err := client.Do(out)
	if err != nil {
		tell(w, err)
		return
	}
	defer res.Body.Close()
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, res.Body)
}

// ping sends an ICMP echo request to ?to=address.
func ping(w http.ResponseWriter, r *http.Request) {
	c, err := net.Dial("ip4:icmp", r.URL.Query().Get("to"))
	if err != nil {
		tell(w, err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(wait(r)))
	m := []byte{8, 0, 0, 0, 0, 7, 0, 1}
	sum := uint32(0)
	for i := 0; i < len(m); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(m[i:]))
	}
	binary.BigEndian.PutUint16(m[2:], ^uint16(sum+sum>>16))
	if _, err = c.Write(m); err == nil {
		b := make([]byte, 128)
		for n := 0; err == nil; {
			if n, err = c.Read(b); err == nil && n >= 28 && b[20] == 0 {
				break
			}
		}
	}
	tell(w, err)
}

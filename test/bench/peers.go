package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"
)

// peer is a balancer that others use, set up as they do: connections to
// clients and to the target are kept, there is a worker for every core, no log
// of requests is written, and the target is told of the client.
type peer struct {
	*process
	*contender
}

var nginxConfig = template.Must(template.New("nginx").Parse(`daemon off;
worker_processes {{.Cores}};
worker_rlimit_nofile 65536;
pid {{.Dir}}/nginx.pid;
error_log {{.Dir}}/nginx-error.log warn;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {{.Dir}}/nginx-body;
  proxy_temp_path {{.Dir}}/nginx-proxy;
  fastcgi_temp_path {{.Dir}}/nginx-fastcgi;
  uwsgi_temp_path {{.Dir}}/nginx-uwsgi;
  scgi_temp_path {{.Dir}}/nginx-scgi;
  upstream app {
    server {{.Target}};
    keepalive 128;
    keepalive_requests 1000000000;
  }
  server {
    listen {{.Listen}};
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Port $server_port;
    }
  }
}
`))

var haproxyConfig = template.Must(template.New("haproxy").Parse(`global
  nbthread {{.Cores}}
  maxconn 8192
defaults
  mode http
  option forwardfor
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind {{.Listen}}
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port %[dst_port]
  default_backend app
backend app
  server app {{.Target}}
`))

func (b *bench) nginx(ctx context.Context, target string) (*peer, error) {
	return b.peer(ctx, "nginx", nginxConfig, target, "-c")
}

func (b *bench) haproxy(ctx context.Context, target string) (*peer, error) {
	return b.peer(ctx, "haproxy", haproxyConfig, target, "-db", "-f")
}

func (b *bench) peer(ctx context.Context, name string, config *template.Template, target string, args ...string) (*peer, error) {
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(b.work, name+".conf")
	var text strings.Builder
	if err := config.Execute(&text, map[string]any{"Cores": runtime.NumCPU(), "Dir": b.work, "Target": target, "Listen": listen}); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		return nil, err
	}
	p, err := b.spawn(name, append(args, path)...)
	if err != nil {
		return nil, err
	}
	url := "http://" + listen + "/"
	if err := p.answers(ctx, url); err != nil {
		p.stop()
		return nil, errors.Join(err, errors.New(lastLines(filepath.Join(b.work, "nginx-error.log"))))
	}
	return &peer{p, &contender{name: name, url: url, pid: p.Process.Pid}}, nil
}

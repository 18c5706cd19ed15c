// Package peers starts the programs that Skylift is measured beside, set up as
// others use them. A balancer keeps connections to clients and to the target, has
// a worker for every core, writes no log of requests, and tells the target of the
// client.
package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"

	"github.com/skylift/skylift/test/bench/proc"
)

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

// Nginx starts nginx before target, and returns its address.
func Nginx(ctx context.Context, work, target string) (*proc.Program, string, error) {
	return balancer(ctx, work, "nginx", nginxConfig, target, "-c")
}

// HAProxy starts HAProxy before target, and returns its address.
func HAProxy(ctx context.Context, work, target string) (*proc.Program, string, error) {
	return balancer(ctx, work, "haproxy", haproxyConfig, target, "-db", "-f")
}

func balancer(ctx context.Context, work, name string, config *template.Template, target string, args ...string) (*proc.Program, string, error) {
	listen, err := proc.FreeAddress()
	if err != nil {
		return nil, "", err
	}
	path := filepath.Join(work, name+".conf")
	var text strings.Builder
	if err := config.Execute(&text, map[string]any{"Cores": runtime.NumCPU(), "Dir": work, "Target": target, "Listen": listen}); err != nil {
		return nil, "", err
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		return nil, "", err
	}
	p, err := proc.Spawn(work, name, append(args, path)...)
	if err != nil {
		return nil, "", err
	}
	url := "http://" + listen + "/"
	if err := p.Answers(ctx, url); err != nil {
		p.Stop()
		return nil, "", errors.Join(err, errors.New(proc.LastLines(filepath.Join(work, "nginx-error.log"))))
	}
	return p, url, nil
}

// Registry starts Debian's docker-registry on an empty directory, and returns its address.
func Registry(ctx context.Context, work string) (*proc.Program, string, error) {
	listen, err := proc.FreeAddress()
	if err != nil {
		return nil, "", err
	}
	config := filepath.Join(work, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n",
		filepath.Join(work, "docker-registry"), listen)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, "", err
	}
	p, err := proc.Spawn(work, "docker-registry", "serve", config)
	if err != nil {
		return nil, "", err
	}
	if err := p.Answers(ctx, "http://"+listen+"/v2/"); err != nil {
		p.Stop()
		return nil, "", err
	}
	return p, "http://" + listen, nil
}

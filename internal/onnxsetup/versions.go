package onnxsetup

import "runtime"

// The version matrix: the pinned versions, and what the library requires of others.
const (
	// Version is the release of ONNX Runtime that [Setup] downloads and tests run.
	Version = "1.24.3"
	// binding is the version of github.com/yalue/onnxruntime_go in go.mod. It is
	// compiled against the C interface of release 1.24, which all later releases keep.
	binding = "v1.27.0"
	// Oldest is the first minor release of ONNX Runtime 1.x that the binding can load.
	Oldest = 24

	// MaxIR is the newest version of the file format that Version reads, and the
	// MaxOpset constants are the newest operator sets: of the default domain, and of
	// ai.onnx.ml. What attune writes is older: see export/onnx.
	MaxIR      = 13
	MaxOpset   = 25
	MaxOpsetML = 5
)

// A source is a package that contains the library, and the ordinary client that
// downloads it.
type source struct {
	client  []string // possible commands; the first that exists is used
	args    []string // arguments, with {} for the download folder
	member  string   // name of the library in the archive
	sha256  string   // SHA-256 of that file
	archive string   // end of the archive's name
}

// A build is the library of one platform.
type build struct {
	file    string // name of the installed file
	sources []source
}

// pip downloads a wheel. Any Python version will do, because its library is the same.
func pip(platform, member, sha256 string) source {
	return source{
		client: []string{"python3", "python", "py"},
		args: []string{
			"-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check",
			"--python-version=3.12", "--platform=" + platform, "--dest={}", "onnxruntime==" + Version,
		},
		member: "onnxruntime/capi/" + member, sha256: sha256, archive: ".whl",
	}
}

// npm downloads a package for all platforms, and runs none of its scripts.
func npm(member, sha256 string) source {
	return source{
		client: []string{"npm", "npm.cmd"},
		args:   []string{"pack", "--silent", "--pack-destination={}", "onnxruntime-node@" + Version},
		member: "package/bin/napi-v6/" + member, sha256: sha256, archive: ".tgz",
	}
}

// builds are the pinned files. Wheels come first, because they are a fifth of the download.
// In the other package, the library for Windows needs a second one beside it.
var builds = map[string]build{
	"linux/amd64": {"libonnxruntime.so", []source{
		pip("manylinux_2_28_x86_64", "libonnxruntime.so."+Version, "12e097b0705253189cd2cde73a091febefb7348edcfe606cd54aec010a4bab2b"),
		npm("linux/x64/libonnxruntime.so.1", "92ba8e44d31b80a34f5e805076a044122c3be1fffe0d88ed790de7267b0b2682"),
	}},
	"linux/arm64": {"libonnxruntime.so", []source{
		pip("manylinux_2_28_aarch64", "libonnxruntime.so."+Version, "34b560ca50f0ba1228a715ce3bedb14eb0fa8e9002dd43dfe083be399f67d7ad"),
		npm("linux/arm64/libonnxruntime.so.1", "33032cb5b91c12edbf028d7c69fa40a31848d66c0095448758af237d5e0b07db"),
	}},
	"darwin/arm64": {"libonnxruntime.dylib", []source{
		pip("macosx_14_0_arm64", "libonnxruntime."+Version+".dylib", "c3052e7883681252b3b388a408a3e809c0ad6aaa666c6b8d457fa1e3c3153673"),
		npm("darwin/arm64/libonnxruntime."+Version+".dylib", "76831409ce6eded92b4cb343cf422c458a60c1ea1d5f3cfa69692ab7fcc67f0f"),
	}},
	"windows/amd64": {"onnxruntime.dll", []source{
		pip("win_amd64", "onnxruntime.dll", "e6abe8b3fe7eb38e0424fa366eb7edac2090ac2d211592c26d674f928b44f785"),
	}},
	"windows/arm64": {"onnxruntime.dll", []source{
		pip("win_arm64", "onnxruntime.dll", "be113504bcc3c203d042cc8f5aefaed789caab71f91e37bff585b408445ab06e"),
	}},
}

const platform = runtime.GOOS + "/" + runtime.GOARCH

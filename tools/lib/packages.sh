# Debian packages that Timbre needs, and the one way to get them. Sourced by tools/*.
# The names hold on Debian 12 and 13 and on Ubuntu 24.04.

packages_build="gcc libc6-dev meson ninja-build pkg-config glslang-tools libvulkan-dev
 libvulkan-volk-dev libcjson-dev libpcre2-dev"
packages_run="libvulkan1 mesa-vulkan-drivers"
packages_model="ca-certificates python3-pip unzip"
packages_bench="libopenblas0-pthread"
packages_full="clang llvm strace vulkan-validationlayers"
packages_windows="gcc-mingw-w64-x86-64 dpkg-dev"
packages_wine="wine wine64 xvfb xauth"
packages_oracles="python3 python3-venv"

# Prints those of the named packages that are not installed.
packages_missing() {
    local name
    for name; do
        case "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" in
            installed) ;;
            *) printf '%s ' "$name" ;;
        esac
    done
}

# Runs apt-get with the rights it needs; 1 when there is no way to get them.
packages_apt() {
    local rights=
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            return 1
        elif [ -t 0 ]; then
            rights=sudo
        elif sudo -n true 2>/dev/null; then
            rights="sudo -n"
        else
            return 1
        fi
    fi
    $rights env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"
}

# packages_need WHAT NAME…: installs what is missing, silently when nothing is. On systems
# without apt, and where nobody may install, prints the list and returns 1; the caller goes
# on if everything is found all the same.
packages_need() {
    local what=$1 missing log
    shift
    if ! command -v dpkg-query >/dev/null 2>&1; then
        echo "Not a Debian system. $what needs what Debian calls: $*"
        return 1
    fi
    missing=$(packages_missing "$@")
    [ -n "$missing" ] || return 0
    echo "Installing for $what: $missing"
    log=$(mktemp) || return 1
    if { packages_apt install --no-install-recommends $missing ||
         { packages_apt update && packages_apt install --no-install-recommends $missing; }
       } >"$log" 2>&1 </dev/null; then
        rm -f "$log"
        return 0
    fi
    tail -n 5 "$log"
    rm -f "$log"
    echo "They could not be installed. As root: apt-get install --no-install-recommends $missing"
    return 1
}

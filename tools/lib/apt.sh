# An apt beside the system's: it reads other package lists (sources, backports) and only
# downloads; what the system has configured and installed stays as it is. Sourced by tools/*.

# private_apt FOLDER PROGRAM ARGUMENT…: apt-get or apt-cache over FOLDER/source.list.
private_apt() {
    local folder=$1 program=$2
    shift 2
    mkdir -p "$folder/lists/partial"
    "$program" -q -o Dir::Etc::sourcelist="$folder/source.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$folder/lists" -o APT::Sandbox::User=root \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}

# The distribution's own main repositories as configured here: "ADDRESS SUITE" lines.
distribution_repositories() {
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        sed -n 's/ main$//p' | sort -u
}

# The key that the distribution signs its lists with.
archive_key() {
    local key
    for key in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/ubuntu-archive-keyring.gpg; do
        [ -f "$key" ] && break
    done
    printf '%s' "$key"
}

# release_sources KIND SUITE…: lines for a source.list, KIND deb or deb-src, of these suites from
# where the system's own release comes from.
release_sources() {
    local kind=$1 codename key address suite wanted
    shift
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    key=$(archive_key)
    distribution_repositories | while read -r address suite; do
        [ "$suite" = "$codename" ] || continue
        for wanted; do
            echo "$kind [signed-by=$key] $address $wanted main"
        done
    done
}

# private_sources KIND [SUFFIX]: such lines of each repository as it is, or of the system's own
# release with SUFFIX (-backports) behind its name.
private_sources() {
    local kind=$1 suffix=${2:-} key address suite
    if [ -n "$suffix" ]; then
        release_sources "$kind" "$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")$suffix"
        return
    fi
    key=$(archive_key)
    distribution_repositories | while read -r address suite; do
        echo "$kind [signed-by=$key] $address $suite main"
    done
}

# fish completion for postrider(1): the program itself says how the words may go on.

function __postrider_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (command $words[1] complete $words[2..-1] "$current" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (string replace -r '^--[a-z-]+=' '' -- "$current")
        else
            echo $line
        end
    end
end
complete -c postrider -f -a '(__postrider_complete)'
